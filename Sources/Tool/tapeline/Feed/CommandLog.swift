import Primitives

/// The log of a gateway that ran for one command.
struct CommandLog {
    private(set) var entries: [(event: String, entry: JSONValue)] = []
    /// What it complained of last; `nil`: nothing.
    private(set) var complaint: String?

    init(_ bytes: [UInt8]) {
        var plain: String?
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            guard let entry = parsedJSON(Array(line)), let event = entry["event"]?.string else {
                // What is wrong with the settings is said in plain lines, and how many are wrong
                // in the last of them.
                if plain == nil { plain = String(decoding: line, as: UTF8.self) }
                continue
            }
            entries.append((event, entry))
            if ["error", "warning"].contains(entry["level"]?.string) {
                complaint = entry["message"]?.string ?? complaint
            }
        }
        if let plain { complaint = plain }
        if complaint == "" { complaint = nil }
    }
}
