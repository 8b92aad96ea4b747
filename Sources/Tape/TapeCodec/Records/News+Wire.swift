public import MarketModel
internal import Primitives

extension WireFormat.Template {
    public static let newsHeadline: UInt16 = 0x8416
    public static let newsBulletin: UInt16 = 0x8217
}

extension WireFormat.Block {
    public static let newsHeadline = 32
    public static let newsBulletin = 40
}

extension MessageBounds {
    public func newsHeadline(in packet: RawSpan) -> NewsHeadline? {
        guard template == WireFormat.Template.newsHeadline,
            let provider = text(0, NewsHeadline.providerBytesMax, packet),
            let article = text(1, NewsHeadline.articleBytesMax, packet),
            let headline = text(2, NewsHeadline.headlineBytesMax, packet),
            let extra = text(3, NewsHeadline.extraBytesMax, packet)
        else { return nil }
        return NewsHeadline(
            header: header(in: packet), provider: provider, article: article,
            headline: headline, extra: extra)
    }

    public func newsBulletin(in packet: RawSpan) -> NewsBulletin? {
        guard template == WireFormat.Template.newsBulletin,
            let text = text(0, NewsBulletin.textBytesMax, packet),
            let exchange = self.text(1, NewsBulletin.exchangeBytesMax, packet)
        else { return nil }
        var bulletin = NewsBulletin(
            header: header(in: packet), kind: .unknown, text: text, exchange: exchange)
        bulletin.kind = packet.uint8(at: body + 32)
        return bulletin
    }
}

extension PacketBuilder {
    public mutating func append(_ news: NewsHeadline) -> AppendOutcome {
        let fields = [
            Field("provider", news.provider, NewsHeadline.providerBytesMax),
            Field("article", news.article, NewsHeadline.articleBytesMax),
            Field("headline", news.headline, NewsHeadline.headlineBytesMax),
            Field("extra", news.extra, NewsHeadline.extraBytesMax),
        ]
        return unsafe append(
            WireFormat.Template.newsHeadline, WireFormat.Block.newsHeadline, news.header, fields
        ) { _, _ in }
    }

    public mutating func append(_ bulletin: NewsBulletin) -> AppendOutcome {
        let fields = [
            Field("text", bulletin.text, NewsBulletin.textBytesMax),
            Field("exchange", bulletin.exchange, NewsBulletin.exchangeBytesMax),
        ]
        return unsafe append(
            WireFormat.Template.newsBulletin, WireFormat.Block.newsBulletin, bulletin.header,
            fields
        ) { buffer, body in
            unsafe buffer.put(UInt64(bulletin.kind), at: body + 32)
        }
    }
}
