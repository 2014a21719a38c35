import './draw.css';
import './panel.css';
