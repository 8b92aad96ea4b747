package import MarketModel
package import Primitives

// Converts news and notices to the tape's records. A text that is too long for its record is cut
// between two characters, because most of a headline is better than none.
extension TickNews {
    /// The record's time is the article's, in milliseconds.
    package func headline(symbol: UInt32, receivedAt time: Timestamp) -> NewsHeadline {
        let resolution: TimeResolution = self.time.isDefined ? .millisecond : .unknown
        return NewsHeadline(
            header: TickHeader(
                symbol: symbol, resolution: resolution.rawValue, providerTime: self.time,
                receiveTime: time),
            provider: provider.cut(toUTF8: NewsHeadline.providerBytesMax),
            article: article.cut(toUTF8: NewsHeadline.articleBytesMax),
            headline: headline.cut(toUTF8: NewsHeadline.headlineBytesMax),
            extra: extra.cut(toUTF8: NewsHeadline.extraBytesMax))
    }
}

extension HistoricalHeadline {
    /// The record's time is in UTC.
    package func record(symbol: UInt32, receivedAt received: Timestamp) -> NewsHeadline {
        var published = Timestamp.undefined
        switch time {
        case .instant(let time): published = time
        case .wall(let wall, _):
            let (nanoseconds, isPast) = wall.seconds.multipliedReportingOverflow(by: 1_000_000_000)
            if !isPast { published = Timestamp(nanoseconds: nanoseconds) }
        case .day: break
        }
        let resolution: TimeResolution = published.isDefined ? .second : .unknown
        return NewsHeadline(
            header: TickHeader(
                symbol: symbol, flags: .backfilled, resolution: resolution.rawValue,
                providerTime: published, receiveTime: received),
            provider: provider.cut(toUTF8: NewsHeadline.providerBytesMax),
            article: article.cut(toUTF8: NewsHeadline.articleBytesMax),
            headline: headline.cut(toUTF8: NewsHeadline.headlineBytesMax), extra: "")
    }
}

extension BulletinMessage {
    package func record(receivedAt time: Timestamp) -> NewsBulletin {
        NewsBulletin(
            header: TickHeader(
                symbol: TickHeader.noSymbol, providerTime: .undefined, receiveTime: time,
                providerID: UInt64(exactly: id) ?? 0),
            kind: kind, text: text.cut(toUTF8: NewsBulletin.textBytesMax),
            exchange: exchange.cut(toUTF8: NewsBulletin.exchangeBytesMax))
    }
}

extension IBNotice {
    /// Returns `nil` when the notice is not about a book.
    package func depthReset(symbol: UInt32, receivedAt time: Timestamp) -> DepthReset? {
        let reason: DepthResetReason
        switch meaning {
        case .depthReset: reason = .reset
        case .depthHalted: reason = .halted
        default: return nil
        }
        return DepthReset(
            header: TickHeader(symbol: symbol, providerTime: .undefined, receiveTime: time),
            reason: reason)
    }
}
