extension TickOperators {
    /// The custom operators of this build. Whoever writes one puts it beside this file and adds
    /// its line; graphs then use it by that name.
    public static var ofThisProgram: TickOperators {
        var operators = TickOperators()
        operators.register(JumpGuard.name, JumpGuard.self)
        return operators
    }
}
