/// What is used of the provider's data about a contract. The rest of its message is not read.
package struct ContractDetails: Hashable, Sendable {
    package var request: Int32 = 0
    package var contract = Contract()
    /// The name of the time zone in which the hours are given. Bonds have none of the three.
    package var zone = ""
    /// All trading hours, and the regular ones, of some days (`SessionHours` reads them).
    package var tradingHours = ""
    package var liquidHours = ""

    package init() {}
}
