import MarketModel
import Primitives
import ProviderKit

extension ProviderOrder {
    /// Returns the records that a provider of trades sends first for an instrument: that it
    /// delivers, and the gap since the instrument was last fed. `header` has the instrument and the
    /// time.
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
