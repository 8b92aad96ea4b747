/// One part of a document about a company. A document may be far larger than a packet, so it is cut
/// into parts. The parts have the same provider id and are in order. A cut may fall inside a
/// character.
public struct FundamentalPart: Hashable, Sendable, HeadedRecord {
    public static let reportBytesMax = 64
    /// The largest part.
    public static let contentBytesMax = 48 * 1_024
    /// The largest complete document. A larger one is refused completely, because half of one is of
    /// no use.
    public static let documentBytesMax = 8 * 1_024 * 1_024

    /// The header's provider id is the same in all parts of a document and differs between
    /// documents.
    public var header: TickHeader
    /// The kind of report, as the provider names it.
    public var report: String
    public var part: UInt32
    public var parts: UInt32
    /// The length of the complete document.
    public var documentBytes: UInt64
    public var content: [UInt8]

    public init(
        header: TickHeader, report: String, part: UInt32, parts: UInt32, documentBytes: UInt64,
        content: [UInt8]
    ) {
        self.header = header
        self.report = report
        self.part = part
        self.parts = parts
        self.documentBytes = documentBytes
        self.content = content
    }

    /// Cuts a document into parts. Returns `nil` when it is longer than `documentBytesMax`.
    public static func parts(
        of document: [UInt8], report: String, header: TickHeader
    ) -> [FundamentalPart]? {
        guard document.count <= documentBytesMax else { return nil }
        let count = max(1, (document.count + contentBytesMax - 1) / contentBytesMax)
        return (0..<count).map { index in
            let start = index * contentBytesMax
            return FundamentalPart(
                header: header, report: report, part: UInt32(index), parts: UInt32(count),
                documentBytes: UInt64(document.count),
                content: Array(document[start..<min(start + contentBytesMax, document.count)]))
        }
    }

    /// Leaves the document out, because it does not fit on a line.
    func list(into fields: inout [RecordField]) {
        fields.add("report", report)
        fields.add("part", .unsigned(UInt64(part) + 1))
        fields.add("parts", .unsigned(UInt64(parts)))
        fields.add("part_bytes", .unsigned(UInt64(content.count)))
        fields.add("document_bytes", .unsigned(documentBytes))
    }
}
