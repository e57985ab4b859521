// Texts of audit/.

export const audit = {
  title: 'Auditor’s desk',
};
