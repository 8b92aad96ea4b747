/// How the pages look, in light and dark.
enum Style {
    static let icon = """
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">\
        <rect width="16" height="16" rx="3" fill="#1b1f24"/>\
        <path d="M2 11l4-5 3 3 5-6" fill="none" stroke="#56d364" stroke-width="2"/></svg>

        """

    static let css = """
        :root {
          --ground: #ffffff; --panel: #f6f8fa; --text: #1b1f24; --muted: #57606a;
          --line: #8c959f; --good: #116329; --warning: #7d4e00; --bad: #a40e26;
          --accent: #0550ae;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --ground: #0d1117; --panel: #161b22; --text: #e6edf3; --muted: #9aa4af;
            --line: #6e7681; --good: #56d364; --warning: #e3b341; --bad: #ff8f87;
            --accent: #79c0ff;
          }
        }
        * { box-sizing: border-box; }
        body {
          margin: 0; background: var(--ground); color: var(--text);
          font: 1rem/1.5 system-ui, sans-serif;
        }
        header {
          display: flex; flex-wrap: wrap; gap: 0.5rem 1.5rem; align-items: center;
          padding: 0.5rem 1rem; background: var(--panel); border-bottom: 1px solid var(--line);
        }
        header p { margin: 0; }
        .name { font-weight: 700; }
        nav ul {
          display: flex; flex-wrap: wrap; gap: 0 1rem; margin: 0; padding: 0; list-style: none;
        }
        a { color: var(--accent); padding: 0.25rem; }
        a[aria-current] { color: var(--text); font-weight: 700; }
        a:focus-visible, .scroll:focus-visible, select:focus-visible, input:focus-visible,
        button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
        .skip { position: absolute; left: -100rem; }
        .skip:focus { position: static; }
        main { max-width: 76rem; margin: 0 auto; padding: 0 1rem 2rem; }
        main:focus { outline: none; }
        h1 { font-size: 1.5rem; margin: 1rem 0 0; }
        h2 { font-size: 1.125rem; margin: 1.5rem 0 0.5rem; }
        #verdict { margin: 0; padding: 0; list-style: none; font-size: 1.125rem; }
        #verdict li {
          border-left: 0.5rem solid currentColor; padding: 0.25rem 0.75rem; margin: 0.25rem 0;
          background: var(--panel); font-weight: 600; overflow-wrap: anywhere;
        }
        .good, .flows { color: var(--good); }
        .warning, .behind, .waits, .lasts, .hot { color: var(--warning); }
        .bad, .never { color: var(--bad); }
        .quiet, .closed, .unknown, .dead, .stale, .stale td, .stale dd { color: var(--muted); }
        .unknown, .stale, .dead { font-style: italic; }
        .unseen {
          position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
        }
        canvas { display: block; width: 100%; }
        .scroll { overflow-x: auto; }
        table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
        caption { text-align: left; color: var(--muted); padding: 0.25rem 0; }
        th, td {
          text-align: left; vertical-align: top; padding: 0.25rem 0.75rem 0.25rem 0;
          border-bottom: 1px solid var(--line);
        }
        dl {
          display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: 1rem;
          margin: 0;
        }
        dl div { background: var(--panel); padding: 0.5rem 0.75rem; }
        dt { color: var(--muted); }
        dd { margin: 0; }
        dd.value { font-size: 1.5rem; }
        select, input, button {
          font: inherit; min-height: 2.25rem; padding: 0.25rem 0.5rem; color: var(--text);
          background: var(--ground); border: 1px solid var(--line);
        }
        button[aria-disabled="true"] { color: var(--muted); }
        .command { font-family: monospace; width: 40rem; max-width: 100%; }
        .beside {
          display: grid; gap: 1rem;
          grid-template-columns: repeat(auto-fit, minmax(min(30rem, 100%), 1fr));
        }
        .beside > * { min-width: 0; }
        .beside dl { gap: 0.25rem; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); }
        .beside dl div { padding: 0.125rem 0.5rem; overflow-wrap: anywhere; }
        pre { margin: 0; overflow-x: auto; font-size: 0.8125rem; }
        pre:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
        .tools { display: flex; flex-wrap: wrap; gap: 1rem; align-items: end; }
        .tools p { margin: 0.25rem 0; max-width: 100%; }
        footer { color: var(--muted); padding: 0 1rem 1rem; max-width: 76rem; margin: 0 auto; }
        @media (prefers-reduced-motion: reduce) { * { transition: none; animation: none; } }

        """
}
