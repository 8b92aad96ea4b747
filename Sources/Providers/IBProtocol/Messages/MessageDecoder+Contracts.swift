internal import MarketModel
internal import Primitives

extension MessageDecoder {
    static func contractDetails(_ fields: inout FieldCursor, version: Int) -> IBMessage {
        var details = ContractDetails()
        if version < 164 { fields.skip() }
        details.request = fields.number()
        details.contract.symbol = fields.text()
        details.contract.kind = SecurityKind(fields.text())
        details.contract.lastTradeDate = date(fields.text())
        // The same date once more.
        if version >= 182 { fields.skip() }
        details.contract.strike = fields.price()
        details.contract.right = fields.text()
        details.contract.exchange = fields.text()
        details.contract.currency = fields.text()
        details.contract.localSymbol = fields.text()
        // The market's name.
        fields.skip()
        details.contract.tradingClass = fields.text()
        details.contract.id = fields.number()
        // The step of prices, and a size in old versions.
        fields.skip(version < 164 ? 2 : 1)
        details.contract.multiplier = fields.text()
        // The types of orders, the exchanges, a factor of prices, the underlying contract, and the
        // contract's name.
        fields.skip(5)
        details.contract.primaryExchange = fields.text()
        // The contract's month and its industry in three words.
        fields.skip(4)
        details.zone = fields.text()
        details.tradingHours = fields.text()
        details.liquidHours = fields.text()
        return .contract(.details(details))
    }

    static func bondDetails(_ fields: inout FieldCursor, version: Int) -> IBMessage {
        var details = ContractDetails()
        if version < 164 { fields.skip() }
        details.request = fields.number()
        details.contract.symbol = fields.text()
        details.contract.kind = SecurityKind(fields.text())
        // The bond's number and its coupon.
        fields.skip(2)
        details.contract.lastTradeDate = date(fields.text())
        // The bond's terms, from the date of its issue to its description.
        fields.skip(8)
        details.contract.exchange = fields.text()
        details.contract.currency = fields.text()
        // The market's name.
        fields.skip()
        details.contract.tradingClass = fields.text()
        details.contract.id = fields.number()
        return .contract(.details(details))
    }

    /// Returns the date of a contract's end: the provider writes `DATE`, `DATE TIME [ZONE]` or
    /// `DATE-TIME[-ZONE]`.
    private static func date(_ text: String) -> String {
        String(text.prefix { $0 != " " && $0 != "-" })
    }

    static func contractDetailsEnd(_ fields: inout FieldCursor) -> IBMessage {
        fields.skip()
        return .contract(.end(request: fields.number()))
    }
}
