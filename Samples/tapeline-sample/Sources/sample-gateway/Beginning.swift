import MarketModel
import Primitives
import ProviderKit

extension ProviderOrder {
    /// What a provider of trades says when it begins with an instrument, before the first of them:
    /// that it delivers, and what it missed since somebody did. `header` has instrument and time.
    func beginning(of header: TickHeader, provider: String) -> [ProviderRecord] {
        var about = header
        about.providerID = 0
        let (number, now) = (header.symbol, header.receiveTime)
        var records: [ProviderRecord] = [
            .feed(FeedState(instrument: number, state: .live, time: now)),
            .tape(
                .subscription(
                    SubscriptionRecord(
                        header: about, action: .start, kind: .trade, mode: .live,
                        provider: provider))),
        ]
        if Int(number) < reached.count, reached[Int(number)].isDefined {
            records.append(
                .gap(
                    GapRecord(
                        header: about, from: reached[Int(number)], to: now, kind: .trade,
                        reason: .gatewayLost, state: .abandoned)))
        }
        return records
    }
}
