"""The weekly digest and its picture: a short-lived program of its own, since a plotting library is large."""
