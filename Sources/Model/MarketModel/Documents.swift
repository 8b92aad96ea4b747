public import Primitives

/// The headline of an article, not the article.
public struct NewsHeadline: Hashable, Sendable {
    public static let providerBytesMax = 32
    public static let articleBytesMax = 128
    public static let headlineBytesMax = 2_048
    public static let extraBytesMax = 2_048

    /// Its provider time is that of the article.
    public var header: TickHeader
    /// Who wrote it, by the provider's code.
    public var provider: String
    /// By which the article can be asked for.
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

/// What a provider has to say to everybody. Its header has no symbol; its id is the provider's.
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

/// A part of a document about a company. A document may be far larger than a packet, so it is cut;
/// its parts have one provider id and stand in order. Cuts do not heed characters.
public struct FundamentalPart: Hashable, Sendable {
    public static let reportBytesMax = 64
    /// Of one part.
    public static let contentBytesMax = 48 * 1_024
    /// Of a whole document. A larger one is refused as a whole: half of one is of no use.
    public static let documentBytesMax = 8 * 1_024 * 1_024

    /// Its provider id tells one document from the next.
    public var header: TickHeader
    /// The kind of report, by the provider's name for it.
    public var report: String
    public var part: UInt32
    public var parts: UInt32
    /// The length of the whole document.
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

    /// Cuts a document; nil when it is longer than `documentBytesMax`.
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

    /// Its provider time is that of the publication.
    public var header: TickHeader
    public var name: String
    public var unit: String
    /// In 1e-9. 128 bits: a national product in dollars passes 64.
    public var value: Int128
    /// What the value is about: [periodStart, periodEnd).
    public var periodStart: Timestamp
    public var periodEnd: Timestamp
    /// 0 for the first publication, then counting.
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
