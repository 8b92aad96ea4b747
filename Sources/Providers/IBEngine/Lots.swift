internal import IBProtocol
internal import MarketModel

// Old servers tell sizes and volumes of stocks by the hundred.
extension Contract {
    var isStockInLots: Bool { kind == .stock && currency == "USD" }
}

extension Int128 {
    /// A volume in lots of a hundred, in shares; undefined where it was, and where it does not fit.
    var inLots: Int128 {
        guard self != Int128.max else { return self }
        let (units, isTooLarge) = multipliedReportingOverflow(by: 100)
        return isTooLarge ? Int128.max : units
    }
}

extension Quantity {
    /// A size in lots of a hundred, in shares.
    var inLots: Quantity {
        guard isDefined else { return self }
        let (units, isTooLarge) = raw.multipliedReportingOverflow(by: 100)
        return isTooLarge ? .undefined : Quantity(raw: units)
    }
}
