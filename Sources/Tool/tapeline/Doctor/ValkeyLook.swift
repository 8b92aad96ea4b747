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
        // The one command that says the version to a user who may only read.
        facts.version = version(try session.command(["LOLWUT", "VERSION", "1"]).text ?? "")
        let answer = try session.command(["EXISTS", .text("\(namespace):trade:doctor")])
        facts.readingRefused = answer.errorMessage
        facts.isOpen = letsAnybodyIn(configuration)
        return facts
    }

    /// Returns "8.1.1" from the text that ends with "Redis ver. 8.1.1". Valkey calls itself Redis
    /// there, so the name says nothing.
    static func version(_ text: String) -> String? {
        let lines = text.split(whereSeparator: \.isNewline)
        guard let line = lines.last(where: { $0.contains(" ver. ") }) else { return nil }
        let words = line.split(separator: " ")
        guard let place = words.firstIndex(of: "ver."), place > 0, place + 1 < words.count else {
            return nil
        }
        return String(words[place + 1])
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
