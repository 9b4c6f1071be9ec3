"""Records to a page and to tables: what a browser and a terminal show of one run or several."""
