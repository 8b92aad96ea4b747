internal import ServiceRuntime

/// A stream holds more or less than this process's settings want. It is reported once, when the
/// stream is opened.
struct TapeStreamSize: TelemetryEvent {
    static let name = "tape.stream.size"
    let stream: String
    let before: Int64
    let wanted: Int64
    /// Why the stream was not made larger. It has no meaning for one that is larger already.
    let refusal: String?

    private var isSmaller: Bool { before >= 0 && before < wanted }

    var level: LogLevel { isSmaller && refusal != nil ? .warning : .info }
    var message: String {
        if isSmaller, let refusal {
            return "stream \(stream) holds less than MDS_STREAM_BYTES says and was not made "
                + "larger (\(refusal)); it is used as it is"
        }
        return isSmaller
            ? "stream \(stream) was made larger"
            : "stream \(stream) may hold more than MDS_STREAM_BYTES says; it is not made smaller"
    }
    var fields: [(String, LogValue)] {
        [
            ("stream", .text(stream)), ("bytes", .integer(before)), ("wanted", .integer(wanted)),
        ]
    }
}
