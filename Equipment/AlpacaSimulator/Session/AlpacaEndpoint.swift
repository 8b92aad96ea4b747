/// What a client can subscribe to.
enum AlpacaChannel: String, Sendable {
    case trades, quotes, orderbooks, bars, updatedBars, dailyBars, statuses, lulds
    case corrections, cancelErrors, news
}

/// The addresses of the streams.
package enum AlpacaEndpoint: String, CaseIterable, Sendable {
    case iex = "/v2/iex"
    case sip = "/v2/sip"
    case delayedSIP = "/v2/delayed_sip"
    case test = "/v2/test"
    case crypto = "/v1beta3/crypto/us"
    case news = "/v1beta1/news"

    /// In the order of the answer to a subscription.
    var channels: [AlpacaChannel] {
        switch self {
        case .iex, .sip, .delayedSIP, .test:
            [
                .trades, .quotes, .bars, .updatedBars, .dailyBars, .statuses, .lulds, .corrections,
                .cancelErrors,
            ]
        case .crypto: [.trades, .quotes, .orderbooks, .bars, .updatedBars, .dailyBars]
        case .news: [.news]
        }
    }

    /// A client subscribes to these; the others come with trades.
    var open: [AlpacaChannel] { channels.filter { $0 != .corrections && $0 != .cancelErrors } }
}
