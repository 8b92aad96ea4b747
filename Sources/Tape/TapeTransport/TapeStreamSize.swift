internal import ServiceRuntime

extension ServiceEvent {
    /// A stream holds more or less than this process's settings want. It is reported once, when the
    /// stream is opened. `refusal`: why the stream was not made larger. It has no meaning for one
    /// that is larger already.
    static func tapeStreamSize(stream: String, before: Int64, wanted: Int64, refusal: String?)
        -> Self
    {
        let isSmaller = before >= 0 && before < wanted
        let refused = (isSmaller ? refusal : nil).map {
            "stream \(stream) holds less than MDS_STREAM_BYTES says and was not made "
                + "larger (\($0)); it is used as it is"
        }
        let kept =
            isSmaller
            ? "stream \(stream) was made larger"
            : "stream \(stream) may hold more than MDS_STREAM_BYTES says; it is not made smaller"
        return Self(
            refused == nil ? .info : .warning, "tape.stream.size", refused ?? kept,
            ("stream", .text(stream)), ("bytes", .integer(before)), ("wanted", .integer(wanted)))
    }
}
