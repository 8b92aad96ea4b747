extension Configuration {
    /// The settings in the form of a file that `--config` reads, each with a comment about its
    /// origin. Secrets are comments, so that `<redacted>` is never loaded as a password.
    var printed: String {
        var text = "## \(service)\n"
        for entry in entries {
            let name = entry.key.name
            text += "# \(entry.source)\n"
            if entry.key.isSecret {
                text += "# \(name)=\(entry.value == nil ? "" : Secret.redacted)\n"
            } else {
                text += "\(name)=\(EnvironmentText.quoted(entry.shown))\n"
            }
        }
        return text
    }

    /// The answer of `--check-config`.
    var checkReport: String {
        let set = entries.filter { $0.source != .default && $0.source != .notSet }
        let head = "the configuration of \(service) is valid: "
        let counts = "\(entries.count) keys, \(set.count) of them set\n"
        return head + counts + warnings.map { "warning: \($0)\n" }.joined()
    }
}
