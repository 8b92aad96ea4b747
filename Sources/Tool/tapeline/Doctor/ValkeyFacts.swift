/// What the doctor knows of Valkey.
struct ValkeyFacts: Equatable, Sendable {
    var peer = ""
    var user = ""
    /// "8.1.1". `nil` if the user may not ask for it.
    var version: String?
    /// The server's refusal to read the hot state. `nil` if it may be read.
    var readingRefused: String?
    /// True if a client without a password is let in.
    var isOpen = false

    var findings: [Finding] {
        var found = [
            version.map { Finding(.fine, .valkey, "version \($0) at \(peer)") }
                ?? Finding(
                    .unseen, .valkey, "\(peer) answers, and does not say its version",
                    "the user needs the right to read (deploy/valkey/users.conf)")
        ]
        if let readingRefused {
            found.add(
                .wrong, .valkey,
                "the user \(user) cannot read the hot state: \(readingRefused)",
                "give it the rights of 'reader' in deploy/valkey/users.conf")
        } else {
            found.add(.fine, .valkey, "the user \(user) can read the hot state")
        }
        if isOpen {
            found.add(
                .warning, .valkey, "everybody who reaches \(peer) is let in without a password",
                "add 'user default off' and the users of deploy/valkey/users.conf")
        }
        return found
    }
}
