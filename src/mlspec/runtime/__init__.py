"""Programs of one file each that travel with the manifests; they import nothing of mlspec and run on Python 3.9."""
