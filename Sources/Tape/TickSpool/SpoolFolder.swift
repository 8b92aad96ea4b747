internal import MarketModel
internal import Primitives

/// The paths of spools below the configured folder.
struct SpoolFolder {
    /// The name of the folder of all spools that were set aside.
    static let asideName = "aside"
    /// The file with the reason, in a spool that was set aside.
    static let whyName = "why"
    /// The name of the folder of the spool in use.
    static let activeName = "spool"

    /// The configured folder.
    let root: String
    let source: SourceName

    /// The folder of this source.
    var path: String { "\(root)/\(source)" }
    /// The file that the process which uses the spool has locked. It is not in the folder that is
    /// renamed, so the lock stays when the spool is set aside.
    var lock: String { "\(path)/lock" }
    /// Segments, holder and mark. The complete folder is renamed when the spool is set aside.
    var active: String { "\(path)/\(Self.activeName)" }
    /// The folder of all spools that were set aside, of all sources.
    var aside: String { Self.aside(root) }

    static func aside(_ root: String) -> String { "\(root)/\(asideName)" }

    /// Returns the name for a spool that is set aside, such as "synthetic-20260105T143000Z", with a
    /// number after it when that name is in `taken`.
    func asideName(_ time: Timestamp, taken: [String]) -> String {
        let digits = time.description.prefix(19).filter { $0.isNumber || $0 == "T" }
        let name = "\(source)-\(digits)Z"
        guard taken.contains(name) else { return name }
        let number = (2...taken.count + 2).first { !taken.contains("\(name)-\($0)") }
        return "\(name)-\(number ?? taken.count + 2)"
    }
}

/// Why and when a spool was set aside. It is stored in the spool's folder as the file `why`.
struct SetAside: Hashable, Sendable {
    var source: SourceName
    var reason: String
    var time: Timestamp

    init(source: SourceName, reason: String, time: Timestamp) {
        self.source = source
        self.reason = reason
        self.time = time
    }

    var json: [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.member("version", 1)
            json.member("source", source.text)
            json.member("reason", reason)
            json.member("time_ns", time.nanoseconds)
        }
        return json.bytes + Array("\n".utf8)
    }

    /// Reads the file's content. Returns `nil` when there is no file or it is damaged.
    static func parse(_ bytes: [UInt8]?) -> SetAside? {
        guard let bytes, let document = JSONValue.parsed(bytes),
            let source = document["source"]?.string.flatMap(SourceName.init),
            let reason = document["reason"]?.string, let time = document["time_ns"]?.int
        else { return nil }
        return SetAside(
            source: source, reason: reason, time: Timestamp(nanoseconds: Int64(time)))
    }
}
