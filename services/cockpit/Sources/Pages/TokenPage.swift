/// The page that asks for the token.
enum TokenPage {
    /// What a person reads whose browser gave no secret of its own.
    static let keyless =
        "Nobody was signed in: this browser gave no secret of its own. Allow JavaScript and stored "
        + "data for this site."

    /// `problem`: why nobody was let in. `nil`: nobody has tried.
    static func text(_ problem: String? = nil) -> String {
        let failed = problem.map { "<p id=\"failed\" class=\"bad\" role=\"alert\">\($0)</p>" } ?? ""
        let described = problem == nil ? "" : " aria-describedby=\"failed\""
        return """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <title>Token – Tapeline cockpit</title>
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <link rel="stylesheet" href="style.css">
            <link rel="icon" href="icon.svg" type="image/svg+xml">
            <script type="module" src="signin.js"></script>
            </head>
            <body>
            <main id="main">
            <h1>Tapeline cockpit</h1>
            <noscript><p>The pages need JavaScript, and so does signing in to act.</p></noscript>
            <form method="post" action="session">
            \(failed)
            <p><label for="token">Token of this cockpit</label></p>
            <p><input id="token" name="token" type="password" autocomplete="current-password"
            required\(described)><input name="key" type="hidden"></p>
            <p><button type="submit">Come in</button></p>
            </form>
            </main>
            </body>
            </html>

            """
    }
}
