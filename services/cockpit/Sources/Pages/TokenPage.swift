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
        return WebFiles.text("token.html").replacing("{problem}", with: failed)
            .replacing("{described}", with: described)
    }
}
