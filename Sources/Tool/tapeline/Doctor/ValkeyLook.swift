import ValkeyClient

/// Asks Valkey.
enum ValkeyLook {
    static func facts(
        _ configuration: ValkeyConfiguration, namespace: String
    ) throws(ValkeyError) -> ValkeyFacts {
        var facts = ValkeyFacts()
        facts.peer = configuration.peer
        facts.user = configuration.user ?? "default"
        let session = try ValkeyConnection(configuration)
        defer { session.close() }
        // The one command that says the version to every user, whatever rights they have.
        if case .array(let words) = try session.command(["HELLO"]) {
            facts.version = version(words.map { $0.text ?? "" })
        }
        let answer = try session.command(["EXISTS", .text("\(namespace):trade:doctor")])
        facts.readingRefused = answer.errorMessage
        facts.isOpen = letsAnybodyIn(configuration)
        return facts
    }

    /// Returns "8.1.1" from the names and values with which a server introduces itself.
    static func version(_ words: [String]) -> String? {
        let name = stride(from: 0, to: words.count - 1, by: 2).first { words[$0] == "version" }
        return name.map { words[$0 + 1] }
    }

    private static func letsAnybodyIn(_ configuration: ValkeyConfiguration) -> Bool {
        var stranger = configuration
        stranger.user = nil
        stranger.password = nil
        do throws(ValkeyError) {
            let session = try ValkeyConnection(stranger)
            defer { session.close() }
            return try session.command(["PING"]).errorMessage == nil
        } catch {
            // It refuses, which is what it should do.
            return false
        }
    }
}
