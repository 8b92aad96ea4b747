internal import BinanceEngine
internal import ServiceRuntime

extension ServiceEvent {
    static func binanceState(_ state: BinanceState, _ reason: String = "") -> Self {
        let message =
            switch state {
            case .closed: "not connected to the exchange"
            case .connecting: "connecting to the exchange"
            case .ready: "connected to the exchange"
            case .renewing: "a second connection begins beside the present one"
            }
        return Self(
            .info, "binance.state", message, ("state", .text(state.rawValue)),
            ("reason", .text(reason)))
    }

    static func binanceGapEnded(_ symbol: String, added: UInt64, lost: UInt64) -> Self {
        Self(
            lost == 0 ? .info : .warning, "binance.gap_ended",
            "\(symbol): \(added) missing trades came on request"
                + (lost == 0 ? "" : ", and \(lost) stay missing"),
            ("symbol", .text(symbol)), ("added", LogValue(added)), ("lost", LogValue(lost)))
    }
}
