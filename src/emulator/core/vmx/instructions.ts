// The 13 VMX instructions as the run loop calls them: each takes the address of its decoded record and returns NEXT, ABORT or JUMPED.
// SDM 3C 31.3 'VMX Instructions'. The checks of each stand in the order in which the processor makes them.
export { vmclear, vmptrld, vmptrst } from './pointer-instructions';
export { vmxoff, vmxon } from './operation';
export { vmread, vmwrite } from './field-access';
export { invept, invvpid } from './invalidation';
export { vmcall, vmlaunch, vmresume } from './transitions';
export { vmfunc } from './vm-functions';
