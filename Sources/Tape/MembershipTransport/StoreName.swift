package import Membership
package import ServiceRuntime

extension ConfigurationKey {
    /// The store that a writer writes, and whose database a tool is given.
    package static let storeName = ConfigurationKey(
        "STORE_NAME", .name(bytesMax: GroupName.utf8CountMax, also: "-"),
        default: GroupName.store.text, group: "Writer",
        "Store that this process writes: store or store-NAME, each with a database of its own.")
}

extension ConfigurationRule {
    /// Checks that STORE_NAME is the name of a store.
    package static let storeName = ConfigurationRule.of(reads: ["STORE_NAME"]) {
        _ = try GroupName.storeNamed($0)
    }
}

extension GroupName {
    /// Returns the store of STORE_NAME.
    package static func storeNamed(
        _ configuration: Configuration
    ) throws(SettingsError) -> GroupName {
        let name = configuration.text("STORE_NAME")
        guard let group = GroupName(name), group.isStore else {
            throw SettingsError(
                "STORE_NAME is \(name): a store is called store or store-NAME, of "
                    + "a-z 0-9 -")
        }
        return group
    }
}
