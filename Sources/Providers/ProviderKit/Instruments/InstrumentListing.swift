package import MarketModel
internal import Primitives

/// Shows a list of instruments, to people and to programs: `--check-instruments` and
/// `--check-instruments-json` of the gateway.
package enum InstrumentListing {
    /// Returns one line per instrument, in columns (symbol, contract, feeds, providers), and a last
    /// line with their number.
    package static func text(_ instruments: [Instrument]) -> String {
        let rows = instruments.map { instrument in
            [
                shown(instrument.symbol.text), contract(instrument),
                FeedName.names(of: instrument.feeds).joined(separator: ","),
                instrument.providers.joined(separator: ","),
            ]
        }
        let widths = (0..<4).map { column in rows.map { $0[column].count }.max() ?? 0 }
        let lines = rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let blanks = String(repeating: " ", count: widths[column] - cell.count)
                line += (column == 0 ? "" : "  ") + cell + blanks
            }
            return String(line.reversed().drop { $0 == " " }.reversed()) + "\n"
        }
        let count = instruments.count == 1 ? "1 instrument" : "\(instruments.count) instruments"
        return lines.joined() + "\(count)\n"
    }

    /// Returns a symbol, cut to 40 characters.
    private static func shown(_ text: String) -> String {
        text.count > 40 ? text.prefix(37) + "..." : text
    }

    /// Returns the fields of the contract that are given, in one text.
    private static func contract(_ instrument: Instrument) -> String {
        let contract = instrument.contract
        let depth = instrument.depthExchange
        let strike = contract.strike.isDefined ? contract.strike.description : ""
        let id = contract.providerID == 0 ? "" : "#\(contract.providerID)"
        let parts = [
            contract.security.rawValue, contract.providerSymbol, contract.localSymbol,
            contract.expiry, strike, contract.right?.rawValue ?? "", contract.currency,
            contract.exchange, contract.primaryExchange, id,
            depth.isEmpty ? "" : "depth:\(depth)",
            instrument.lot.map { "lot:\($0.size)" } ?? "",
        ]
        return parts.filter { !$0.isEmpty }.joined(separator: " ")
    }

    /// Returns an object with the array `instruments`, in the words of the files.
    package static func json(_ instruments: [Instrument]) -> String {
        var json = JSONWriter(capacity: 256 * instruments.count)
        json.object { json in
            json.array("instruments") { json in
                for instrument in instruments { write(instrument, into: &json) }
            }
        }
        return json.text + "\n"
    }

    private static func write(_ instrument: Instrument, into json: inout JSONWriter) {
        let contract = instrument.contract
        let texts = [
            ("provider_symbol", contract.providerSymbol), ("exchange", contract.exchange),
            ("primary_exchange", contract.primaryExchange),
            ("depth_exchange", instrument.depthExchange), ("currency", contract.currency),
            ("local_symbol", contract.localSymbol), ("trading_class", contract.tradingClass),
            ("expiry", contract.expiry), ("multiplier", contract.multiplier),
            ("right", contract.right?.rawValue ?? ""),
            ("strike", contract.strike.isDefined ? contract.strike.description : ""),
        ]
        json.object { json in
            json.member("symbol", instrument.symbol.text)
            json.member("security", contract.security.rawValue)
            for (key, text) in texts where !text.isEmpty { json.member(key, text) }
            if contract.providerID != 0 { json.member("provider_id", contract.providerID) }
            if let lot = instrument.lot {
                json.member("lot", lot.size.description)
                if lot.from.isDefined {
                    json.member("lot_from", lot.from.description)
                    json.member("lot_before", lot.before.description)
                }
            }
            json.member("feeds", values: FeedName.names(of: instrument.feeds))
            json.member("providers", values: instrument.providers)
        }
    }
}
