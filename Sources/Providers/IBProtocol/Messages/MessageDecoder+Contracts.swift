internal import MarketModel
internal import Primitives

extension MessageDecoder {
    static func contractDetails(_ fields: inout FieldCursor, version: Int) -> IBMessage {
        var details = ContractDetails()
        if version < 164 { fields.skip() }
        details.request = fields.number()
        readIdentity(&details, &fields, version: version)
        details.exchanges = list(fields.text())
        details.priceMagnifier = fields.optionalInteger()
        details.underlyingID = fields.optionalInteger()
        details.longName = fields.escapedText()
        details.contract.primaryExchange = fields.text()
        details.contractMonth = fields.text()
        details.industry = fields.text()
        details.category = fields.text()
        details.subcategory = fields.text()
        readHours(&details, &fields)
        readRuleAndIDs(&details, &fields)
        details.underlyingSymbol = fields.text()
        details.underlyingKind = SecurityKind(fields.text())
        readMarketRules(&details, &fields)
        details.realExpiration = fields.text()
        details.stockType = fields.text()
        if version == 163 { fields.skip() }
        if version >= 164 { readSizes(&details, &fields) }
        if version >= 179, details.contract.kind == .fund { details.fund = fund(&fields) }
        if version >= 186 {
            for _ in 0..<fields.count(fields: 2) {
                details.ineligibility.append(TagValue(fields.text(), fields.text()))
            }
        }
        return .contractDetails(details)
    }

    private static func readIdentity(
        _ details: inout ContractDetails, _ fields: inout FieldCursor, version: Int
    ) {
        details.contract.symbol = fields.text()
        details.contract.kind = SecurityKind(fields.text())
        details.expiry = ContractDetails.Expiry(fields.text())
        if version >= 182 { details.expiry.lastTradeDate = fields.text() }
        details.contract.lastTradeDate = details.expiry.date
        details.contract.strike = fields.price()
        details.contract.right = fields.text()
        details.contract.exchange = fields.text()
        details.contract.currency = fields.text()
        details.contract.localSymbol = fields.text()
        details.marketName = fields.text()
        details.contract.tradingClass = fields.text()
        details.contract.id = fields.number()
        details.minTick = fields.price()
        if version < 164 { fields.skip() }
        details.contract.multiplier = fields.text()
        details.orderTypes = fields.text()
    }

    private static func readHours(_ details: inout ContractDetails, _ fields: inout FieldCursor) {
        details.zone = fields.text()
        details.tradingHours = fields.text()
        details.liquidHours = fields.text()
    }

    private static func readRuleAndIDs(
        _ details: inout ContractDetails, _ fields: inout FieldCursor
    ) {
        details.economicValueRule = fields.text()
        details.economicValueMultiplier = fields.ratio()
        for _ in 0..<fields.count(fields: 2) {
            details.secondaryIDs.append(TagValue(fields.text(), fields.text()))
        }
        details.aggregationGroup = fields.optionalInteger()
    }

    private static func readMarketRules(
        _ details: inout ContractDetails, _ fields: inout FieldCursor
    ) {
        details.marketRules = list(fields.text()).compactMap { Int32($0) }
    }

    private static func readSizes(_ details: inout ContractDetails, _ fields: inout FieldCursor) {
        details.minSize = fields.size()
        details.sizeIncrement = fields.size()
        details.suggestedSizeIncrement = fields.size()
    }

    private static func fund(_ fields: inout FieldCursor) -> FundDetails {
        var fund = FundDetails()
        fund.name = fields.text()
        fund.family = fields.text()
        fund.type = fields.text()
        fund.frontLoad = fields.text()
        fund.backLoad = fields.text()
        fund.backLoadTimeInterval = fields.text()
        fund.managementFee = fields.text()
        fund.isClosed = fields.flag()
        fund.isClosedForNewInvestors = fields.flag()
        fund.isClosedForNewMoney = fields.flag()
        fund.notifyAmount = fields.text()
        fund.minimumInitialPurchase = fields.text()
        fund.subsequentMinimumPurchase = fields.text()
        fund.blueSkyStates = fields.text()
        fund.blueSkyTerritories = fields.text()
        fund.distributionPolicy = fields.text()
        fund.assetType = fields.text()
        return fund
    }

    static func contractDetailsEnd(_ fields: inout FieldCursor) -> IBMessage {
        fields.skip()
        return .contractDetailsEnd(request: fields.number())
    }

    static func bondDetails(_ fields: inout FieldCursor, version: Int) -> IBMessage {
        var bond = BondDetails()
        if version < 164 { fields.skip() }
        bond.details.request = fields.number()
        bond.details.contract.symbol = fields.text()
        bond.details.contract.kind = SecurityKind(fields.text())
        readTerms(&bond, &fields)
        bond.details.contract.exchange = fields.text()
        bond.details.contract.currency = fields.text()
        bond.details.marketName = fields.text()
        bond.details.contract.tradingClass = fields.text()
        bond.details.contract.id = fields.number()
        bond.details.minTick = fields.price()
        if version < 164 { fields.skip() }
        bond.details.orderTypes = fields.text()
        bond.details.exchanges = list(fields.text())
        bond.nextOptionDate = fields.text()
        bond.nextOptionType = fields.text()
        bond.isNextOptionPartial = fields.flag()
        bond.notes = fields.text()
        bond.details.longName = fields.escapedText()
        readRuleAndIDs(&bond.details, &fields)
        readMarketRules(&bond.details, &fields)
        if version >= 164 { readSizes(&bond.details, &fields) }
        return .bondDetails(bond)
    }

    private static func readTerms(_ bond: inout BondDetails, _ fields: inout FieldCursor) {
        bond.cusip = fields.text()
        bond.coupon = fields.ratio()
        bond.details.expiry = ContractDetails.Expiry(fields.text())
        bond.details.contract.lastTradeDate = bond.details.expiry.date
        bond.issueDate = fields.text()
        bond.ratings = fields.text()
        bond.bondType = fields.text()
        bond.couponType = fields.text()
        bond.isConvertible = fields.flag()
        bond.isCallable = fields.flag()
        bond.isPutable = fields.flag()
        bond.description = fields.text()
    }
}
