internal import ServiceRuntime

extension ServiceEvent {
    /// A stream had fewer copies than this process's settings want. It is reported once, when the
    /// stream is opened. `refusal`: why none was added; `nil` when they were added.
    static func tapeStreamCopies(stream: String, before: Int, wanted: Int, refusal: String?) -> Self
    {
        let refused = refusal.map {
            "stream \(stream) has fewer copies than MDS_REPLICAS says (\($0)); it is used as it is"
        }
        return Self(
            refused == nil ? .info : .warning, "tape.stream.copies",
            refused ?? "stream \(stream) has \(wanted) copies now",
            ("stream", .text(stream)), ("copies", .integer(Int64(before))),
            ("wanted", .integer(Int64(wanted))))
    }
}
