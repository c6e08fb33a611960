"""The gateway's own firmware: versions, download, verification, installers."""
