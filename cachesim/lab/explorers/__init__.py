"""One explorer a module: where its controls may stand, its picture, and `explore`, which makes it."""
