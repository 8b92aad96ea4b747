internal import ServiceRuntime

/// A stream had fewer copies than this process's settings want. It is reported once, when the
/// stream is opened.
struct TapeStreamCopies: TelemetryEvent {
    static let name = "tape.stream.copies"
    let stream: String
    let before: Int
    let wanted: Int
    /// Why none was added; `nil` when they were added.
    let refusal: String?

    var level: LogLevel { refusal == nil ? .info : .warning }
    var message: String {
        guard let refusal else { return "stream \(stream) has \(wanted) copies now" }
        return "stream \(stream) has fewer copies than MDS_REPLICAS says (\(refusal)); "
            + "it is used as it is"
    }
    var fields: [(String, LogValue)] {
        [
            ("stream", .text(stream)), ("copies", .integer(Int64(before))),
            ("wanted", .integer(Int64(wanted))),
        ]
    }
}
