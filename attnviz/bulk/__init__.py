"""Many photos: from folders, lists, tar files and clips to one data set, on one machine or on many."""
