//! Files: read, write-then-rename, lock; the path in every error.
