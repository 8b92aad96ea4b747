package import MarketModel
package import Membership

extension SourceName {
    /// The group of the gateways that open the source. Those of the live source also open that of
    /// its delayed data, under the same epochs.
    package var gatewayGroup: GroupName {
        let live = isDelayed ? SourceName(String(text.dropLast(Self.delayedSuffix.count))) : nil
        return .source(live ?? self)
    }
}
