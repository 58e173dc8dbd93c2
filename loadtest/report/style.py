"""The style sheet of the HTML report: plain, dark on light, for desk, phone and paper. A value."""

from typing import Final

STYLE: Final = """
:root{color-scheme:light;--ink:#1b1b1b;--soft:#595959;--rule:#d9d9d9;--pass:#00603a;
--fail:#a4001d;--invalid:#734b00;--pale:#f6f6f4}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Noto Sans CJK SC",
sans-serif;color:var(--ink);background:#fff;max-width:62rem;margin:0 auto;padding:1.25rem 1rem 3rem}
header p{color:var(--soft);margin:0}h1{font-size:1.375rem;line-height:1.25;margin:.1rem 0 .25rem}
h2{font-size:1.2rem;line-height:1.3;margin:2.75rem 0 .5rem;padding-top:.7rem;
border-top:2px solid var(--ink)}
h3{font-size:1rem;margin:1.5rem 0 .25rem}p{max-width:44rem;margin:.4rem 0}
.verdict{display:flex;gap:1.1rem;margin:1.1rem 0;padding:1rem 1.2rem;border:2px solid;
border-left-width:.75rem;border-radius:.25rem}
.verdict svg{flex:none;width:4rem;height:4rem}.verdict div{min-width:0}
.verdict strong{display:block;font-size:2.25rem;line-height:1;letter-spacing:.03em}
.verdict p{margin:.35rem 0 0;font-weight:600;color:var(--ink)}
.verdict ul{margin:.5rem 0 0;padding-left:1.1rem;color:var(--ink)}
.verdict li{margin:.15rem 0;overflow-wrap:anywhere}
.PASS{color:var(--pass);background:#eff8f3}.FAIL{color:var(--fail);background:#fdf0f1}
.INVALID{color:var(--invalid);background:#fdf6e6}
.key{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:1px;margin:1rem 0;
background:var(--rule);border:1px solid var(--rule)}
.key div{background:#fff;padding:.5rem .8rem .6rem;display:flex;flex-direction:column}
.key dt{color:var(--soft);font-size:.875rem;line-height:1.3}
.key dd{margin:auto 0 0;font-size:1.5rem;line-height:1.3;font-weight:600;white-space:nowrap}
.key small{font-size:.875rem;font-weight:600;color:var(--invalid)}
.scale{max-width:none}.scale span{white-space:nowrap}
.table{overflow-x:auto;margin:.5rem 0 0}
table{border-collapse:collapse;font-size:.9375rem;font-variant-numeric:tabular-nums}
th,td{padding:.28rem .7rem;border-bottom:1px solid var(--rule);text-align:right;
vertical-align:baseline;white-space:nowrap}
th{font-weight:600}thead th{color:var(--soft);font-weight:400;font-size:.875rem;
border-bottom:1px solid #8c8c8c;vertical-align:bottom}
tbody th,thead th:first-child{text-align:left}
th:first-child,td:first-child{padding-left:0}
td.text,th.text{text-align:left;white-space:normal;min-width:14rem;overflow-wrap:anywhere}
table.facts td{text-align:left;white-space:normal;overflow-wrap:anywhere}
table.facts th{font-weight:400;color:var(--soft);white-space:normal}
.good{color:var(--pass)}.bad{color:var(--fail);font-weight:700}
.unsure{color:var(--invalid);font-weight:700}.same{color:var(--soft)}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(20rem,1fr));gap:0 2.5rem}
figure{margin:1.25rem 0 0;break-inside:avoid}
figcaption{font-weight:600;margin-bottom:.1rem}figcaption span{font-weight:400;color:var(--soft)}
svg.desk,svg.phone{display:block;width:100%;height:auto}svg.phone{display:none}
svg text{font-size:13px;fill:var(--ink)}svg .y{text-anchor:end}svg .x{text-anchor:middle}
svg .title{fill:var(--soft)}svg .label{font-weight:600}
svg .grid{stroke:#e6e6e6}svg .axis{stroke:#767676}svg .mark{stroke:#555;stroke-dasharray:3 3}
svg text.mark{stroke:#fff;stroke-width:4px;stroke-dasharray:none;paint-order:stroke;fill:#333}
svg .lead{stroke:#8c8c8c;fill:none}svg path{stroke-linejoin:round}
.none{color:var(--soft);font-style:italic}
code,pre{font:.875rem/1.5 ui-monospace,"Cascadia Mono",Menlo,Consolas,monospace}
pre{background:var(--pale);border:1px solid var(--rule);padding:.7rem .9rem;margin:.5rem 0;
white-space:pre-wrap;overflow-wrap:anywhere}
ul.plain{padding-left:1.1rem;margin:.5rem 0}ul.plain li{overflow-wrap:anywhere}
@media (max-width:40rem){
body{padding:.75rem .75rem 2rem}h1{font-size:1.2rem}
.verdict{gap:.8rem;padding:.8rem}.verdict svg{width:2.75rem;height:2.75rem}
.verdict strong{font-size:1.75rem}.key{grid-template-columns:1fr 1fr}.key dd{font-size:1.25rem}
.pair{grid-template-columns:1fr}th,td{padding:.28rem .5rem}
.scale span{white-space:normal}
svg.desk{display:none}svg.phone{display:block}svg.phone text{font-size:14px}
.gates thead{display:none}.gates tr{display:flex;flex-wrap:wrap;gap:0 .9rem;padding:.4rem 0;
border-bottom:1px solid var(--rule)}
.gates th,.gates td{border:0;padding:0}.gates td.text{flex-basis:100%;min-width:0}
.gates tbody th{flex:1 0 55%}
.gates td:nth-child(3)::before{content:"measured ";color:var(--soft)}
.gates td:nth-child(4)::before{content:"samples ";color:var(--soft)}
}
@media print{
@page{margin:14mm}
body{padding:0;max-width:none;font-size:10.5pt}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
h2,h3,figcaption{break-after:avoid}tr,.verdict,.key,figure{break-inside:avoid}
.table{overflow:visible}
svg.desk{display:block}svg.phone{display:none}
}
"""
