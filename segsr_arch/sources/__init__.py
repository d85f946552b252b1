"""Where images come from: folders, archives, LMDBs and their lists."""
