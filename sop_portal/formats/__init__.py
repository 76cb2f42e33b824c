"""How Django's own pages, which are the admin's, write dates: as the portal's pages do (`FORMAT_MODULE_PATH`)."""
