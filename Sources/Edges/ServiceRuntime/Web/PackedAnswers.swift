/// Packs the bodies of answers for clients that accept gzip. One body is sent to many clients, so
/// the last ones are kept. All of it runs on the server's thread.
struct PackedAnswers {
    /// A smaller body is sent as it is.
    static let bytesMin = 512
    /// The most bodies that are kept; the one that was made first goes. A larger one is packed each
    /// time.
    static let countMax = 32
    static let keptBytesMax = 262_144

    private var kept: [(tag: String, body: [UInt8])] = []

    /// Returns the answer as this client takes it. `encodings` is its `Accept-Encoding`.
    mutating func answer(
        _ answer: OperationsResponse, accepting encodings: String?
    ) -> OperationsResponse {
        var answer = answer
        if Self.acceptsGzip(encodings), answer.body.count >= Self.bytesMin {
            answer.body = packed(answer)
            answer.headers.append(Self.encoding)
        }
        // Whoever keeps it has to know that another client may get another body.
        if Self.tag(answer) != nil { answer.headers.append(Self.variation) }
        return answer
    }

    static let encoding = WebHeader("Content-Encoding", "gzip")
    static let variation = WebHeader("Vary", "Accept-Encoding")

    private static func tag(_ answer: OperationsResponse) -> String? {
        answer.headers.first { $0.name == "ETag" }?.value
    }

    private mutating func packed(_ answer: OperationsResponse) -> [UInt8] {
        // Only a tag tells that a body is the same.
        let tag = Self.tag(answer)
        if let body = kept.first(where: { $0.tag == tag })?.body { return body }
        let body = Deflate.file(answer.body)
        if let tag, body.count <= Self.keptBytesMax {
            if kept.count == Self.countMax { kept.removeFirst() }
            kept.append((tag, body))
        }
        return body
    }

    /// Reads `gzip, br;q=0.5`. What excludes gzip in words that are not understood gets none.
    static func acceptsGzip(_ encodings: String?) -> Bool {
        (encodings ?? "").lowercased().split(separator: ",").contains { range in
            let parts = range.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" } }
            guard parts.first == "gzip" else { return false }
            return parts.count == 1
                || (parts.count == 2 && parts[1].hasPrefix("q=")
                    && (Double(parts[1].dropFirst(2)) ?? 0) > 0)
        }
    }
}
