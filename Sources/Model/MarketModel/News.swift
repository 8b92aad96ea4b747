/// The headline of an article, not the article.
public struct NewsHeadline: Hashable, Sendable, HeadedRecord {
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

    func list(into fields: inout [RecordField]) {
        fields.add("headline", headline)
        fields.add("by", provider)
        fields.add("article", article)
        fields.add("extra", extra)
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
public struct NewsBulletin: Hashable, Sendable, HeadedRecord {
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

    func list(into fields: inout [RecordField]) {
        fields.add("what", BulletinKind.self, kind)
        fields.add("text", text)
        fields.add("exchange", exchange)
    }
}
