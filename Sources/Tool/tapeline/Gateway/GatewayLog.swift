import Primitives

/// The log of one run of a gateway.
struct GatewayLog {
    /// Only what was written since is read for refusals: a run says them at its start.
    private static let bytesMax = 64 << 10

    let file: LogFile
    /// Where the part of this run begins.
    let start: Int
    /// Of this run alone.
    let folder: String?

    var path: String { file.path }

    /// What a gateway that has ended said last.
    var lastMessages: String { file.lastMessages(from: start).map { ": \($0)" } ?? "" }

    /// What NATS refused; nil: nothing.
    var refusal: String? {
        let written = max(0, file.end - start)
        let bytes = FileSystem.tail(of: path, bytesMax: min(written, Self.bytesMax))
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            guard let line = parsedJSON(Array(line)),
                line["event"]?.string?.hasSuffix(".complaint") == true
            else { continue }
            return line["reason"]?.string
        }
        return nil
    }

    /// A run that is done needs no log of its own.
    func remove() throws(ToolError) {
        if let folder { try FileSystem.removeFolder(folder) }
    }
}
