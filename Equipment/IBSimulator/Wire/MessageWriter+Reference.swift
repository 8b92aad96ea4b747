/// Messages about contracts and their documents.
extension MessageWriter {
    /// Returns message 10, or 18 for a bond.
    func contractDetails(
        _ request: Int32, _ instrument: SimulatedInstrument, tradingHours: String
    ) -> ServerMessage {
        instrument.securityType == "BOND"
            ? bondDetails(request, instrument) : details(request, instrument, tradingHours)
    }

    private func details(
        _ request: Int32, _ instrument: SimulatedInstrument, _ hours: String
    ) -> ServerMessage {
        var values = [
            instrument.symbol, instrument.securityType, instrument.expiry,
        ]
        if serverVersion >= 182 { values.append(String(instrument.expiry.prefix(8))) }
        values += [
            instrument.strike, instrument.right, instrument.exchange, instrument.currency,
            instrument.localSymbol, instrument.marketName, instrument.tradingClass,
            String(instrument.conID), instrument.minTick,
        ]
        if serverVersion < 164 { values.append("100") }
        values += [
            instrument.multiplier, "ACTIVETIM,AD,ADJUST,ALERT,LMT,MKT", instrument.validExchanges,
            "1", String(instrument.underlyingConID), Self.escaped(instrument.longName),
            instrument.primaryExchange, String(instrument.expiry.prefix(6)),
            instrument.industry, "", "", "UTC", hours, hours, "", "0",
        ]
        values += instrument.isin.isEmpty ? ["0"] : ["1", "ISIN", instrument.isin]
        values += [
            "1", instrument.underlyingSymbol, instrument.underlyingSymbol.isEmpty ? "" : "STK",
            "26", instrument.expiry, instrument.stockType,
        ]
        if serverVersion == 163 { values.append("1") }
        values += sizeRules(instrument)
        if serverVersion >= 179, instrument.securityType == "FUND" { values += Self.fund }
        if serverVersion >= 186 { values.append("0") }
        return ServerMessage(
            10, "contractData", version: serverVersion < 164 ? 8 : nil, request: request, values)
    }

    private func bondDetails(_ request: Int32, _ bond: SimulatedInstrument) -> ServerMessage {
        var values = [
            bond.symbol, bond.securityType, "US9128285M81", "3", bond.expiry, "20181115",
            "AAA", "GOVT", "FIXED", "0", "1", "0", "due \(bond.expiry)", bond.exchange,
            bond.currency, bond.marketName, bond.tradingClass, String(bond.conID), bond.minTick,
        ]
        if serverVersion < 164 { values.append("100") }
        values += [
            "ACTIVETIM,LMT", bond.validExchanges, "20271115", "CALL", "1", "made up",
            Self.escaped(bond.longName), "", "0", "1", "ISIN", "US9128285M81", "2", "26",
        ]
        values += sizeRules(bond)
        return ServerMessage(
            18, "bondContractData", version: serverVersion < 164 ? 6 : nil, request: request,
            values)
    }

    private func sizeRules(_ instrument: SimulatedInstrument) -> [String] {
        guard serverVersion >= 164 else { return [] }
        let step = instrument.sizeText(1)
        return [step, step, instrument.sizeText(100)]
    }

    /// The fields that only a fund has: name to asset type.
    private static let fund = [
        "Simulated Fund", "Simulated Family", "ETF", "0", "0", "1", "0.12", "0", "0", "0", "100",
        "1000", "100", "All", "None", "N", "004",
    ]

    func contractDetailsEnd(_ request: Int32) -> ServerMessage {
        ServerMessage(52, "contractDataEnd", version: 1, request: request, [])
    }

    struct OptionChain: Equatable, Sendable {
        var exchange = "SMART"
        var underlyingConID: Int32
        var tradingClass: String
        var multiplier = "100"
        var expiries, strikes: [String]
    }

    func optionChain(_ request: Int32, _ chain: OptionChain) -> ServerMessage {
        let head = [
            chain.exchange, String(chain.underlyingConID), chain.tradingClass, chain.multiplier,
        ]
        let values =
            head + [String(chain.expiries.count)] + chain.expiries
            + [String(chain.strikes.count)] + chain.strikes
        return ServerMessage(
            75, "securityDefinitionOptionParameter", request: request, values)
    }

    func optionChainEnd(_ request: Int32) -> ServerMessage {
        ServerMessage(76, "securityDefinitionOptionParameterEnd", request: request, [])
    }

    func symbolSamples(
        _ request: Int32, _ instruments: [SimulatedInstrument]
    ) -> ServerMessage {
        var values = [String(instruments.count)]
        for instrument in instruments {
            values += [
                String(instrument.conID), instrument.symbol, instrument.securityType,
                instrument.primaryExchange, instrument.currency, "2", "OPT", "CFD",
            ]
            if serverVersion >= 176 {
                values += [instrument.longName, "e\(instrument.conID)"]
            }
        }
        return ServerMessage(79, "symbolSamples", request: request, values)
    }

    func depthExchanges() -> ServerMessage {
        ServerMessage(
            80, "mktDepthExchanges",
            ["2", "ISLAND", "STK", "ISLAND", "Deep2", "1", "SMART", "STK", "", "Deep2", "2"])
    }

    func smartComponents(_ request: Int32) -> ServerMessage {
        let rows = SimulatedInstrument.exchanges.enumerated().flatMap { index, exchange in
            [String(index), exchange.name, exchange.letter]
        }
        return ServerMessage(
            82, "smartComponents", request: request,
            [String(SimulatedInstrument.exchanges.count)] + rows)
    }

    func newsProviders() -> ServerMessage {
        ServerMessage(85, "newsProviders", ["2", "SIMA", "Simulated Alpha", "SIMB", "Simulated B"])
    }

    func newsArticle(_ request: Int32, text: String) -> ServerMessage {
        ServerMessage(83, "newsArticle", request: request, ["0", text])
    }

    func fundamentalData(_ request: Int32, xml: String) -> ServerMessage {
        ServerMessage(51, "fundamentalData", version: 1, request: request, [xml])
    }

    func marketRule(
        id: Int32, _ steps: [(edge: String, increment: String)]
    ) -> ServerMessage {
        ServerMessage(
            93, "marketRule",
            [String(id), String(steps.count)] + steps.flatMap { [$0.edge, $0.increment] })
    }
}
