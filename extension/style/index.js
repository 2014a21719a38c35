// `.raw.css` comes as text: putting that into the page takes less than a loader of styles does.
import draw from './draw.raw.css';
import panel from './panel.raw.css';

const style = document.createElement('style');
style.append(draw, panel);
document.head.append(style);
