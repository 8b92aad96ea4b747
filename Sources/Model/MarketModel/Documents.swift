public import Primitives

/// The headline of an article, not the article.
public struct NewsHeadline: Hashable, Sendable {
    public static let providerBytesMax = 32
    public static let articleBytesMax = 128
    public static let headlineBytesMax = 2_048
    public static let extraBytesMax = 2_048

    /// The header's provider time is the article's publication time.
    public var header: TickHeader
    /// The publisher, as the provider's code.
    public var provider: String
    /// The key by which the article can be requested.
    public var article: String
    public var headline: String
    public var extra: String

    public init(
        header: TickHeader, provider: String, article: String, headline: String,
        extra: String = ""
    ) {
        self.header = header
        self.provider = provider
        self.article = article
        self.headline = headline
        self.extra = extra
    }
}

public enum BulletinKind: UInt8, Sendable {
    case unknown = 0
    case regular = 1
    case exchangeUnavailable = 2
    case exchangeAvailable = 3
}

/// A message of the provider to all its clients. Its header has no symbol; its id is the
/// provider's.
public struct NewsBulletin: Hashable, Sendable {
    public static let textBytesMax = 4_096
    public static let exchangeBytesMax = 32

    public var header: TickHeader
    /// A raw `BulletinKind`.
    public var kind: UInt8
    public var text: String
    public var exchange: String

    public init(header: TickHeader, kind: BulletinKind, text: String, exchange: String = "") {
        self.header = header
        self.kind = kind.rawValue
        self.text = text
        self.exchange = exchange
    }
}

/// One part of a document about a company. A document may be far larger than a packet, so it is cut
/// into parts. The parts have the same provider id and are in order. A cut may fall inside a
/// character.
public struct FundamentalPart: Hashable, Sendable {
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
}

/// One value of an economic series, for one period.
public struct IndicatorValue: Hashable, Sendable {
    public static let nameBytesMax = 128
    public static let unitBytesMax = 64
    public static let undefined = Int128.max

    /// The header's provider time is the publication time.
    public var header: TickHeader
    public var name: String
    public var unit: String
    /// The value in 1e-9. It has 128 bits because a gross national product in dollars exceeds 64.
    public var value: Int128
    /// The period that the value describes is [periodStart, periodEnd).
    public var periodStart: Timestamp
    public var periodEnd: Timestamp
    /// 0 for the first publication, then counting up.
    public var revision: UInt32

    public init(
        header: TickHeader, name: String, unit: String = "", value: Int128,
        periodStart: Timestamp, periodEnd: Timestamp, revision: UInt32 = 0
    ) {
        self.header = header
        self.name = name
        self.unit = unit
        self.value = value
        self.periodStart = periodStart
        self.periodEnd = periodEnd
        self.revision = revision
    }
}
