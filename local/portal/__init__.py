"""The approvers' portal as a web page: a stand-in, on this machine only, for the one that AWS gives to approvers."""
