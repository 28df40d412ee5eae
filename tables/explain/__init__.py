"""Which protocol gives a printed column: how near each comes, and how sure that is."""
