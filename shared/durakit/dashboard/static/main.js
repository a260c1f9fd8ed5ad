// What pages do with script. Without it every page and form works; here values move, keys work, dialogs open.
