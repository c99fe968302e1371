"""What stands behind the modules that have the face of the standard library's."""
